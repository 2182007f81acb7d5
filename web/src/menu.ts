/**
 * The settings card: a menu with pages, wholly operable by keyboard.
 *
 * Pattern: WAI-ARIA menu button with menuitemradio; arrows move, Enter chooses, Escape and
 * ArrowLeft go back, the focus returns to the button that opened it.
 */
import { el, icon } from "./dom";

export interface Option {
  label: string;
  hint?: string;
  checked: boolean;
  choose: () => void;
}

export interface Page {
  id: string;
  label: string;
  /** What is chosen now, shown beside the label. */
  value: string;
  options: Option[];
}

/** An entry that toggles at once instead of opening a page. */
export interface Toggle {
  id: string;
  label: string;
  checked: boolean;
  toggle: () => void;
}

export type Entry = Page | Toggle;

const SMALLEST_PX = 190;
const LARGEST_PX = 380;

export class Menu {
  readonly element = el("div", { class: "pc-menu", hidden: true });
  #opener: HTMLElement | null = null;
  #entries: () => Entry[] = () => [];
  #page: string | null = null;
  #single = false;

  constructor(
    private readonly backLabel: string,
    private readonly onChange: (open: boolean) => void,
  ) {
    this.element.addEventListener("keydown", (event) => this.#key(event));
    // one light for pointer and keys: a menu that opens under a resting pointer must not show two
    this.element.addEventListener("pointermove", (event) => {
      const item = event.pointerType === "mouse" && event.target instanceof Element ? event.target.closest<HTMLElement>(".pc-item") : null;
      if (item && item !== document.activeElement) this.#focus(this.#items().indexOf(item), true);
    });
    document.addEventListener("pointerdown", (event) => {
      const target = event.target as Node;
      if (this.open && !this.element.contains(target) && !this.#opener?.contains(target)) this.close(false);
    });
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  /** Opens at the list of entries, or straight at one page (then without a way back). */
  show(opener: HTMLElement, label: string, entries: () => Entry[], page: string | null = null): void {
    if (this.open && this.#opener === opener) {
      this.close();
      return;
    }
    this.#opener?.setAttribute("aria-expanded", "false");
    this.#opener = opener;
    this.#entries = entries;
    this.#page = page;
    this.#single = page !== null;
    this.element.setAttribute("aria-label", label);
    this.element.hidden = false;
    this.#fit();
    opener.setAttribute("aria-expanded", "true");
    this.#draw();
    this.#focus(this.#checked() ?? 0);
    this.onChange(true);
  }

  close(refocus = true): void {
    if (!this.open) return;
    this.element.hidden = true;
    this.#opener?.setAttribute("aria-expanded", "false");
    if (refocus) this.#opener?.focus();
    this.#opener = null;
    this.onChange(false);
  }

  /** Draws again when what it shows has changed, e.g. the quality chosen by the network. */
  refresh(): void {
    if (!this.open) return;
    const at = this.#items().indexOf(document.activeElement as HTMLElement);
    this.#draw();
    if (at >= 0) this.#focus(at);
  }

  /** Above the bar where there is room, else over the whole of a small player. */
  #fit(): void {
    const frame = this.element.closest<HTMLElement>(".pc-root")?.clientHeight ?? 0;
    const room = frame - (this.element.parentElement?.offsetHeight ?? 0) - 36;
    const sheet = room < SMALLEST_PX;
    this.element.classList.toggle("is-sheet", sheet);
    this.element.style.maxHeight = `${Math.min(sheet ? frame - 16 : room, LARGEST_PX)}px`;
  }

  #draw(): void {
    const entries = this.#entries();
    const page = entries.find((entry): entry is Page => entry.id === this.#page && "options" in entry);
    this.element.replaceChildren(page ? this.#drawPage(page) : this.#drawList(entries));
  }

  #drawList(entries: Entry[]): HTMLElement {
    const list = el("div", { role: "menu", class: "pc-menu-page" });
    for (const entry of entries) {
      if ("options" in entry) {
        const item = el(
          "button",
          { type: "button", role: "menuitem", class: "pc-item", "aria-haspopup": "menu", tabindex: "-1", "data-page": entry.id },
          el("span", { class: "pc-item-label" }, entry.label),
          el("span", { class: "pc-item-value" }, entry.value),
          icon("next"),
        );
        item.addEventListener("click", () => this.#enter(entry.id));
        list.append(item);
      } else {
        const item = el(
          "button",
          { type: "button", role: "menuitemcheckbox", class: "pc-item", "aria-checked": String(entry.checked), tabindex: "-1", "data-page": entry.id },
          el("span", { class: "pc-item-label" }, entry.label),
          el("span", { class: "pc-switch" }),
        );
        item.addEventListener("click", () => {
          entry.toggle();
          this.refresh();
        });
        list.append(item);
      }
    }
    return list;
  }

  #drawPage(page: Page): HTMLElement {
    const list = el("div", { role: "menu", class: "pc-menu-page", "aria-label": page.label });
    if (this.#single) {
      list.append(el("div", { class: "pc-menu-title", role: "presentation" }, page.label));
    } else {
      const back = el(
        "button",
        { type: "button", role: "menuitem", class: "pc-item pc-menu-back", "aria-label": `${this.backLabel}: ${page.label}`, tabindex: "-1" },
        icon("back"),
        el("span", { class: "pc-item-label" }, page.label),
      );
      back.addEventListener("click", () => this.#leave());
      list.append(back);
    }
    for (const option of page.options) {
      const item = el(
        "button",
        { type: "button", role: "menuitemradio", class: "pc-item", "aria-checked": String(option.checked), tabindex: "-1" },
        icon("check"),
        el("span", { class: "pc-item-label", dir: "auto" }, option.label),
        option.hint ? el("span", { class: "pc-item-value" }, option.hint) : null,
      );
      item.addEventListener("click", () => {
        option.choose();
        this.close();
      });
      list.append(item);
    }
    return list;
  }

  #enter(page: string): void {
    this.#page = page;
    this.#draw();
    this.#focus(this.#checked() ?? 0);
  }

  #leave(): void {
    if (this.#single || this.#page === null) {
      this.close();
      return;
    }
    const from = this.#page;
    this.#page = null;
    this.#draw();
    this.#focus(this.#items().findIndex((item) => item.dataset.page === from));
  }

  #items(): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>(".pc-item")];
  }

  #checked(): number | null {
    const at = this.#items().findIndex((item) => item.role === "menuitemradio" && item.getAttribute("aria-checked") === "true");
    return at < 0 ? null : at;
  }

  #focus(index: number, still = false): void {
    const items = this.#items();
    const item = items[(index + items.length) % items.length];
    for (const other of items) other.tabIndex = other === item ? 0 : -1;
    item?.focus({ preventScroll: still });
  }

  #key(event: KeyboardEvent): void {
    const at = this.#items().indexOf(document.activeElement as HTMLElement);
    const item = this.#items()[at];
    switch (event.key) {
      case "ArrowDown":
        this.#focus(at + 1);
        break;
      case "ArrowUp":
        this.#focus(at - 1);
        break;
      case "Home":
        this.#focus(0);
        break;
      case "End":
        this.#focus(-1);
        break;
      case "ArrowRight":
        if (item?.getAttribute("aria-haspopup") === "menu") item.click();
        break;
      case "ArrowLeft":
      case "Escape":
        this.#leave();
        break;
      case "Tab":
        this.close();
        return;
      case "Enter":
      case " ":
        item?.click();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
