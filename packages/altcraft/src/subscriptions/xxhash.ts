// The xxHash algorithms with seed 0, after their public specification. The vendor computes `hash_id`, `_xxh` and `_xxm` with them.

const p1 = 0x9e3779b1;
const p2 = 0x85ebca77;
const p3 = 0xc2b2ae3d;
const p4 = 0x27d4eb2f;
const p5 = 0x165667b1;

const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));

/** Returns the XXH32 of a text's UTF-8 bytes, seed 0. */
export function xxh32(text: string): number {
  const bytes = Buffer.from(text);
  const size = bytes.length;
  let at = 0;
  let hash: number;
  if (size >= 16) {
    const lanes = [p1 + p2, p2, 0, -p1];
    for (; at + 16 <= size; at += 16) {
      for (let lane = 0; lane < 4; lane++) {
        const mixed = ((lanes[lane] as number) + Math.imul(bytes.readUInt32LE(at + 4 * lane), p2)) | 0;
        lanes[lane] = Math.imul(rotate(mixed, 13), p1);
      }
    }
    const [a, b, c, d] = lanes as [number, number, number, number];
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  } else {
    hash = p5;
  }
  hash = (hash + size) | 0;
  for (; at + 4 <= size; at += 4) hash = Math.imul(rotate(hash + Math.imul(bytes.readUInt32LE(at), p3), 17), p4);
  for (; at < size; at++) hash = Math.imul(rotate(hash + Math.imul(bytes[at] as number, p5), 11), p1);
  hash = Math.imul(hash ^ (hash >>> 15), p2);
  hash = Math.imul(hash ^ (hash >>> 13), p3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const q1 = 0x9e3779b185ebca87n;
const q2 = 0xc2b2ae3d27d4eb4fn;
const q3 = 0x165667b19e3779f9n;
const q4 = 0x85ebca77c2b2ae63n;
const q5 = 0x27d4eb2f165667c5n;

const wrap = (value: bigint) => BigInt.asUintN(64, value);
const rotate64 = (value: bigint, bits: bigint) => wrap(value << bits) | (value >> (64n - bits));
const round64 = (lane: bigint, input: bigint) => wrap(rotate64(wrap(lane + input * q2), 31n) * q1);

/** Returns the XXH64 of a text's UTF-8 bytes, seed 0. */
export function xxh64(text: string): bigint {
  const bytes = Buffer.from(text);
  const size = bytes.length;
  let at = 0;
  let hash: bigint;
  if (size >= 32) {
    const lanes = [wrap(q1 + q2), q2, 0n, wrap(-q1)];
    for (; at + 32 <= size; at += 32) {
      for (let lane = 0; lane < 4; lane++) {
        lanes[lane] = round64(lanes[lane] as bigint, bytes.readBigUInt64LE(at + 8 * lane));
      }
    }
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint];
    hash = wrap(rotate64(a, 1n) + rotate64(b, 7n) + rotate64(c, 12n) + rotate64(d, 18n));
    for (const lane of lanes) hash = wrap((hash ^ round64(0n, lane)) * q1 + q4);
  } else {
    hash = q5;
  }
  hash = wrap(hash + BigInt(size));
  for (; at + 8 <= size; at += 8) {
    hash = wrap(rotate64(hash ^ round64(0n, bytes.readBigUInt64LE(at)), 27n) * q1 + q4);
  }
  for (; at + 4 <= size; at += 4) {
    hash = wrap(rotate64(hash ^ wrap(BigInt(bytes.readUInt32LE(at)) * q1), 23n) * q2 + q3);
  }
  for (; at < size; at++) hash = wrap(rotate64(hash ^ wrap(BigInt(bytes[at] as number) * q5), 11n) * q1);
  hash = wrap((hash ^ (hash >> 33n)) * q2);
  hash = wrap((hash ^ (hash >> 29n)) * q3);
  return hash ^ (hash >> 32n);
}
