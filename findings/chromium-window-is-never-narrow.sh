#!/bin/sh
# Chromium 156 (Debian 12): `chromium --headless --window-size=390,800` lays a page out 500 pixels wide, without a word;
# its screenshot is 390 wide all the same, and so shows the left part of the wider page. A test that looks for sideways
# scrolling on a phone, or for what a media query of 390 pixels does, passes without having been one. A frame of that
# width in a wider window has it. Seen: "window 390: 500, picture 390; frame 390: 390". Exits with 1 if that changes.
# Needs chromium; takes 5 s.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >page.html <<'END'
<!DOCTYPE html><meta name="viewport" content="width=device-width"><body><iframe style="width: 390px; border: 0" srcdoc="x"></iframe>
<script>onload = () => { document.title = `${innerWidth} ${document.querySelector("iframe").contentWindow.innerWidth}` }</script>
END
show() { chromium --headless --no-sandbox --disable-gpu --user-data-dir=profile --window-size=390,800 "$@" "file://$folder/page.html" 2>/dev/null; }
title=$(show --dump-dom | sed -n 's/.*<title>\(.*\)<\/title>.*/\1/p')
show --screenshot=picture.png >/dev/null
picture=$(od -An -tu1 -j16 -N4 picture.png | awk '{print $3 * 256 + $4}')
seen="window 390: ${title% *}, picture $picture; frame 390: ${title#* }"
echo "$seen"
[ "$seen" = "window 390: 500, picture 390; frame 390: 390" ]
