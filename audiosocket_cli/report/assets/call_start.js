"use strict";

(() => {
  const view = new CallView(JSON.parse(document.getElementById("call-data").textContent));
  window.callView = view;
  view.start();
  performance.mark("call-drawn");
})();
