// @ts-check
// Bins of a histogram, as functions of the values.
/**
 * Equal bins over the finite values.
 * @param {Float32Array} values @param {number} bins
 * @returns {{ low: number, high: number, places: Int16Array, counts: Uint32Array, missing: number }}
 *   place -1: not a finite number
 */
export function binned(values, bins) {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const places = new Int16Array(values.length).fill(-1);
  const counts = new Uint32Array(bins);
  if (low > high) return { low: 0, high: 1, places, counts, missing: values.length };
  if (low === high) {
    // One value only: a bin around it, in the middle.
    const half = Math.abs(low) / 2 || 0.5;
    low -= half;
    high += half;
  }
  let missing = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) {
      missing++;
      continue;
    }
    // The last bin holds its right edge.
    const place = Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
    places[i] = place;
    counts[place]++;
  }
  return { low, high, places, counts, missing };
}
