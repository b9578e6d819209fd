/** Over how long the speed is averaged, in milliseconds. */
const WINDOW = 3000;

/** Bytes a second over the last few seconds. */
export class Speed {
  #samples: { at: number; bytes: number }[] = [];

  /** Notes how many bytes there are at `now`, in milliseconds, and says how fast they come. */
  sample(now: number, bytes: number): number {
    if (bytes < (this.#samples.at(-1)?.bytes ?? 0)) {
      this.#samples = []; // Counted anew: a peer that came back, say.
    }
    this.#samples.push({ at: now, bytes });
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? now) <= now - WINDOW) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    if (first === undefined || first.at === now) {
      return 0;
    }
    return Math.round((1000 * (bytes - first.bytes)) / (now - first.at));
  }
}
