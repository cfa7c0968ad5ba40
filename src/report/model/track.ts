/** A stretch of a lane in one state. Times are microseconds since the run's start. */
export interface Segment {
  fromUs: number;
  toUs: number;
  /** Key of a LaneState. */
  state: string;
  /** What the tooltip says beyond the state's own label; may be empty. */
  detail: string;
  /** 0: the lane's bar; 1: the thin strip below it. */
  layer: 0 | 1;
}

/**
 * Builds the segments of one lane from values in order of time. Equal neighbours become one segment, and a
 * value that is replaced at the same instant leaves nothing behind.
 */
export class Track {
  readonly #segments: Segment[] = [];
  #state: string | null = null;
  #detail = '';
  #fromUs = 0;

  /** `state` null: nothing is drawn from here on. */
  set(tUs: number, state: string | null, detail = ''): void {
    if (state === this.#state && detail === this.#detail) return;
    this.#close(tUs);
    this.#state = state;
    this.#detail = detail;
    this.#fromUs = tUs;
  }

  end(tUs: number): Segment[] {
    this.#close(tUs);
    this.#state = null;
    return this.#segments;
  }

  #close(tUs: number): void {
    if (this.#state === null || tUs <= this.#fromUs) return;
    const last = this.#segments.at(-1);
    if (last !== undefined && last.toUs === this.#fromUs && last.state === this.#state && last.detail === this.#detail) last.toUs = tUs;
    else this.#segments.push({ fromUs: this.#fromUs, toUs: tUs, state: this.#state, detail: this.#detail, layer: 0 });
  }
}
