/** The card with the keys, opened by "?"; a dialog that gives the focus back. */
import { el } from "./dom";
import { fill, type Strings } from "./i18n";

/** Keys beside what they do; "a–b" is a range. */
function rows(strings: Strings): [string[], string][] {
  return [
    [["K", strings.space], `${strings.play} / ${strings.pause}`],
    [["J", "L"], fill(strings.backAndForth, { n: 10 })],
    [["←", "→"], fill(strings.backAndForth, { n: 5 })],
    [["0–9"], strings.tenths],
    [[",", "."], strings.frames],
    [["↑", "↓"], strings.volume],
    [["M"], strings.mute],
    [["C"], strings.captions],
    [["<", ">"], strings.speed],
    [["F"], strings.fullscreen],
    [["I"], strings.pip],
  ];
}

export class Help {
  readonly element: HTMLElement;
  #back: HTMLElement | null = null;

  constructor(strings: Strings) {
    const title = el("h2", { class: "pc-help-title" }, strings.keys);
    const close = el("button", { type: "button", class: "pc-primary" }, strings.close);
    const list = el("dl", {});
    for (const [keys, what] of rows(strings)) {
      list.append(el("div", {}, el("dt", {}, ...keys.map((key) => el("kbd", {}, key))), el("dd", { dir: "auto" }, what)));
    }
    this.element = el("div", { class: "pc-help", role: "dialog", "aria-modal": "true", "aria-label": strings.keys, hidden: true }, title, list, close);
    close.addEventListener("click", () => this.close());
    this.element.addEventListener("keydown", (event) => {
      // the one button is all there is to reach
      if (event.key === "Tab") event.preventDefault();
      if (event.key === "Escape" || event.key === "?") this.close();
      // what the card tells about may be tried under it, except what presses its button
      if (["Tab", "Escape", "?", "Enter", " "].includes(event.key)) event.stopPropagation();
    });
    document.addEventListener("pointerdown", (event) => {
      if (this.open && !this.element.contains(event.target as Node)) this.close();
    });
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  toggle(): void {
    if (this.open) {
      this.close();
      return;
    }
    this.#back = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    this.element.hidden = false;
    this.element.querySelector("button")?.focus({ preventScroll: true });
  }

  close(): void {
    if (!this.open) return;
    this.element.hidden = true;
    this.#back?.focus({ preventScroll: true });
  }
}
