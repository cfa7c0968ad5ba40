/**
 * The part of the browser that the page's script uses. The project compiles without TypeScript's DOM
 * library (it would offer browser globals to code that runs in Node), so the little that is needed is here.
 */
export interface Box { left: number; top: number; width: number; height: number }

export interface ClassList {
  add(name: string): void;
  remove(name: string): void;
  toggle(name: string, force?: boolean): boolean;
}

export interface PageEvent {
  target: Element;
  clientX: number;
  clientY: number;
  button: number;
  pointerId: number;
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  preventDefault(): void;
}

export interface Element {
  id: string;
  textContent: string | null;
  hidden: boolean;
  className: string;
  title: string;
  value: string;
  checked: boolean;
  type: string;
  open: boolean;
  readonly style: Record<string, string> & { setProperty(name: string, value: string): void };
  readonly dataset: Record<string, string | undefined>;
  readonly classList: ClassList;
  readonly clientWidth: number;
  readonly namespaceURI: string;
  append(...nodes: (Element | string)[]): void;
  replaceChildren(...nodes: (Element | string)[]): void;
  remove(): void;
  setAttribute(name: string, value: string): void;
  closest(selector: string): Element | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): ArrayLike<Element> & Iterable<Element>;
  getBoundingClientRect(): Box;
  addEventListener(type: string, listener: (event: PageEvent) => void, options?: boolean | { passive?: boolean }): void;
  scrollIntoView(options: { behavior: string; block: string }): void;
  setPointerCapture(pointerId: number): void;
}

export interface Document {
  readonly body: Element;
  readonly documentElement: Element;
  createElement(tag: string): Element;
  createElementNS(namespace: string, tag: string): Element;
  getElementById(id: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
  createRange(): { selectNodeContents(node: Element): void };
  execCommand(command: string): boolean;
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
}

export interface Window {
  readonly document: Document;
  readonly devicePixelRatio: number;
  readonly innerWidth: number;
  readonly innerHeight: number;
  readonly location: { hash: string };
  readonly history: { replaceState(state: null, title: string, url: string): void };
  readonly navigator: { clipboard?: { writeText(text: string): Promise<void> } };
  readonly ResizeObserver: new (listener: () => void) => { observe(element: Element): void };
  getComputedStyle(element: Element): { getPropertyValue(name: string): string };
  getSelection(): { removeAllRanges(): void; addRange(range: unknown): void } | null;
  matchMedia(query: string): { addEventListener(type: string, listener: () => void): void };
  requestAnimationFrame(callback: () => void): number;
  setTimeout(callback: () => void, ms: number): number;
  addEventListener(type: string, listener: (event: { message?: string; reason?: unknown }) => void): void;
}

/** The drawing operations that the charts use; colours and sizes are plain properties. */
export interface Canvas {
  fillStyle: unknown;
  strokeStyle: unknown;
  lineWidth: number;
  globalAlpha: number;
  font: string;
  textAlign: string;
  textBaseline: string;
  save(): void;
  restore(): void;
  beginPath(): void;
  rect(x: number, y: number, width: number, height: number): void;
  clip(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  arc(x: number, y: number, radius: number, from: number, to: number): void;
  stroke(): void;
  fill(): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  fillText(text: string, x: number, y: number): void;
  measureText(text: string): { width: number };
  setLineDash(dash: number[]): void;
}

/** The part of a uPlot instance that the charts use. */
export interface Plot {
  readonly ctx: Canvas;
  readonly bbox: Box;
  readonly over: Element;
  readonly select: Box;
  setScale(name: string, range: { min: number; max: number }): void;
  setSize(size: { width: number; height: number }): void;
  setSelect(box: Box, fireHook: boolean): void;
  setSeries(index: number, options: { show: boolean }): void;
  redraw(): void;
  destroy(): void;
  posToVal(position: number, scale: string): number;
  valToPos(value: number, scale: string, canvasPixels: boolean): number;
}
export type PlotConstructor = new (options: object, data: readonly unknown[], target: Element) => Plot;
