/** How many things may still be done, shared by several who do them at the same time. */
export class Allowance {
  #left: number;
  #lent = 0;
  #waiting: (() => void)[] = [];

  constructor(amount: number) {
    this.#left = amount;
  }

  /** Up to `most`, to be settled; 0 only when nothing is left and nothing can come back. */
  async borrow(most: number): Promise<number> {
    while (this.#left === 0 && this.#lent > 0) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    const amount = Math.min(this.#left, most);
    this.#left -= amount;
    this.#lent += amount;
    return amount;
  }

  /** Gives back what was borrowed and not used. */
  settle(borrowed: number, used: number): void {
    this.#lent -= borrowed;
    this.#left += borrowed - used;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
