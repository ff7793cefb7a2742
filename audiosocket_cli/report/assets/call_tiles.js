"use strict";

/* The spectrogram of one side: tiles that are decoded and coloured when they are first seen.
 *
 * Of each tile a small copy stays, for when many tiles are in view; of the full ones a few that were used last. A tile
 * is its shades (`grey`), and a `canvas` in the colours of the palette.
 */
class CallTiles {
  static COLUMNS = 4096;
  static FOLD = 8; // columns of a tile that one of its small copy shows
  static MAX_PIXELS = 12e6; // of full tiles that stay: 48 MB
  static AT_ONCE = 2;

  constructor(spectrogram, start, palette, ready) {
    this.about = spectrogram;
    this.start = start;
    this.palette = palette;
    this.ready = ready;
    this.full = new Map();
    this.small = new Map();
    this.wanted = [];
    this.failed = new Set();
    this.pending = new Set();
  }

  /* Take the palette's colours, which have changed. */
  recolour() {
    for (const tile of [...this.full.values(), ...this.small.values()]) this.paint(tile);
  }

  /* Draw what `axis` shows into a rectangle; what is not decoded yet comes later, and `ready` is called then. */
  draw(context, axis, left, top, width, height, pixelsPerCssPixel) {
    const perSecond = 1 / this.about.column_s;
    const first = (axis.start - this.start) * perSecond;
    const last = (axis.end - this.start) * perSecond;
    const fold = (last - first) / (width * pixelsPerCssPixel) >= CallTiles.FOLD ? CallTiles.FOLD : 1;
    const scale = width / (last - first);
    this.wanted = [];
    for (let number = Math.max(0, Math.floor(first / CallTiles.COLUMNS)); number < this.about.tiles.length; number++) {
      const begin = number * CallTiles.COLUMNS;
      if (begin >= last) break;
      const count = Math.min(CallTiles.COLUMNS, this.about.columns - begin);
      if (count <= 0) break;
      const tile = this.tile(number, fold);
      if (tile) this.drawTile(context, tile.canvas, { first, last, begin, count, scale, left, top, height });
    }
    this.decodeMore(fold);
  }

  drawTile(context, canvas, place) {
    const from = Math.max(place.first, place.begin);
    const to = Math.min(place.last, place.begin + place.count);
    if (to <= from) return;
    const perColumn = canvas.width / place.count;
    const x = place.left + (from - place.first) * place.scale;
    context.drawImage(
      canvas, (from - place.begin) * perColumn, 0, (to - from) * perColumn, canvas.height,
      x, place.top, (to - from) * place.scale + 0.5, place.height,
    );
  }

  /* A tile of that fold, else what there is of it; what is missing is put down as wanted. */
  tile(number, fold) {
    const full = this.full.get(number);
    if (fold > 1) {
      if (!this.small.has(number)) this.wanted.push(number);
      return this.small.get(number);
    }
    if (!full) {
      this.wanted.push(number);
      return this.small.get(number);
    }
    this.full.delete(number);
    this.full.set(number, full);
    return full;
  }

  decodeMore(fold) {
    for (const number of this.wanted) {
      if (this.pending.size >= CallTiles.AT_ONCE) return;
      if (!this.failed.has(number) && !this.pending.has(number)) this.decode(number, fold);
    }
  }

  async decode(number, fold) {
    this.pending.add(number);
    try {
      const image = new Image();
      image.src = "data:image/png;base64," + this.about.tiles[number];
      await image.decode();
      this.keep(number, CallTiles.greyOf(image), fold);
    } catch {
      this.failed.add(number);
    } finally {
      this.pending.delete(number);
    }
    this.ready();
  }

  keep(number, grey, fold) {
    if (!this.small.has(number)) this.small.set(number, this.tileOf(CallTiles.folded(grey)));
    if (fold > 1) return;
    this.full.set(number, this.tileOf(grey));
    let pixels = 0;
    for (const tile of this.full.values()) pixels += tile.grey.values.length;
    for (const [oldest, tile] of this.full) {
      if (pixels <= CallTiles.MAX_PIXELS) break;
      pixels -= tile.grey.values.length;
      this.full.delete(oldest);
    }
  }

  static greyOf(image) {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const context = CallTiles.canvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    const values = new Uint8Array(width * height);
    for (let index = 0; index < values.length; index++) values[index] = pixels[4 * index];
    return { width, height, values };
  }

  /* The same with the loudest of each FOLD columns, so that short sounds stay. */
  static folded(grey) {
    const width = Math.ceil(grey.width / CallTiles.FOLD);
    const values = new Uint8Array(width * grey.height);
    for (let row = 0; row < grey.height; row++) {
      for (let column = 0; column < grey.width; column++) {
        const place = row * width + Math.floor(column / CallTiles.FOLD);
        values[place] = Math.max(values[place], grey.values[row * grey.width + column]);
      }
    }
    return { width, height: grey.height, values };
  }

  tileOf(grey) {
    return this.paint({ grey, canvas: CallTiles.canvas(grey.width, grey.height) });
  }

  paint(tile) {
    const { grey, canvas } = tile;
    const context = canvas.getContext("2d");
    const image = context.createImageData(grey.width, grey.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let index = 0; index < pixels.length; index++) pixels[index] = this.palette.ramp[grey.values[index]];
    context.putImageData(image, 0, 0);
    return tile;
  }

  static canvas(width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    return canvas;
  }
}
