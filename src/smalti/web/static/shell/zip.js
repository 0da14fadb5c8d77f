// Folders as zip archives, without compression: pictures are compressed already.

const TABLE = new Uint32Array(256).map((_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function computeCrc(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** Little-endian numbers: pack([2, 20], [4, crc]) are 2 and 4 bytes. */
function pack(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return view.buffer;
}

const UTF8 = 0x800;
const DATE = 0x21; // 1 January 1980: what a picture shows does not depend on it

/** A zip of [{name, file}], as a Blob; names are paths inside it. */
export async function makeZip(entries) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, file } of entries) {
    const title = new TextEncoder().encode(name);
    const crc = computeCrc(new Uint8Array(await file.arrayBuffer()));
    const shared = [[2, 20], [2, UTF8], [2, 0], [2, 0], [2, DATE], [4, crc], [4, file.size], [4, file.size], [2, title.length], [2, 0]];
    parts.push(pack([4, 0x04034b50], ...shared), title, file);
    directory.push(pack([4, 0x02014b50], [2, 20], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), title);
    offset += 30 + title.length + file.size;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = pack([4, 0x06054b50], [2, 0], [2, 0], [2, entries.length], [2, entries.length], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
