/** Holds writes at the door of the store: admitted, their data complete, not handed on. */
export class WriteHold {
  #holding = false;
  #held: (() => void)[] = [];

  /** How many are held now. */
  get count(): number {
    return this.#held.length;
  }

  /** Every write from now on is held. */
  begin(): void {
    this.#holding = true;
  }

  /** Lets all go on, in the order in which they came; returns how many there were. */
  end(): number {
    const held = this.#held;
    this.#holding = false;
    this.#held = [];
    for (const go of held) go();
    return held.length;
  }

  /** Resolves when a write may go on. */
  pass(): Promise<void> {
    return this.#holding ? new Promise((resolve) => this.#held.push(resolve)) : Promise.resolve();
  }
}
