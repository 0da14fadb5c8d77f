// NumPy's files.

const TYPES = { "<i4": Int32Array, "<f4": Float32Array, "|u1": Uint8Array };

/** Read the content of an .npy file in row-major order: {shape, data}. */
export function parseNpy(buffer) {
  const view = new DataView(buffer);
  const isFirst = view.getUint8(6) === 1; // version 1 has a shorter length
  const start = isFirst ? 10 : 12;
  const length = isFirst ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = new TextDecoder().decode(new Uint8Array(buffer, start, length));
  const type = TYPES[header.match(/'descr': '([^']+)'/)?.[1]];
  if (!type || header.includes("'fortran_order': True")) throw new Error(`an array that is not read here: ${header}`);
  const shape = header.match(/\(([^)]*)\)/)[1].split(",").filter((one) => one.trim()).map(Number);
  return { shape, data: new type(buffer, start + length, shape.reduce((a, b) => a * b, 1)) };
}
