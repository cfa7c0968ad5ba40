import type { Box, Document, Element, PageEvent, Window } from '../page/dom.js';

type Listener = (event: PageEvent) => void;

/** As much of a DOM as the page's script needs to run in Node: a tree, attributes, events that a test sends. */
export class FakeElement {
  readonly tag: string;
  readonly attributes = new Map<string, string>();
  children: (FakeElement | string)[] = [];
  parent: FakeElement | null = null;
  id = '';
  hidden = false;
  className = '';
  value = '';
  checked = false;
  open = false;
  readonly dataset: Record<string, string | undefined> = {};
  readonly namespaceURI = 'svg';
  clientWidth = 1_200;
  readonly classList = { add: () => undefined, remove: () => undefined, toggle: () => true };
  readonly style: Record<string, unknown> = { setProperty: () => undefined };
  readonly #listeners = new Map<string, Listener[]>();

  constructor(tag: string) {
    this.tag = tag;
  }

  get textContent(): string {
    return this.children.map((child) => (typeof child === 'string' ? child : child.textContent)).join('');
  }
  set textContent(text: string) {
    this.children = [text];
  }
  append(...nodes: (FakeElement | string)[]): void {
    for (const node of nodes) if (typeof node !== 'string') node.parent = this;
    this.children.push(...nodes);
  }
  replaceChildren(...nodes: (FakeElement | string)[]): void {
    this.children = [];
    this.append(...nodes);
  }
  remove(): void {
    if (this.parent !== null) this.parent.children = this.parent.children.filter((child) => child !== this);
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
    if (name === 'class') this.className = value;
    if (name === 'hidden') this.hidden = true;
    if (name.startsWith('data-')) this.dataset[name.slice(5)] = value;
  }
  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }
  /** Calls the listeners of this element only; there is no bubbling. */
  send(type: string, event: Partial<PageEvent> = {}): void {
    const full = { target: this as unknown as Element, clientX: 0, clientY: 0, button: 0, pointerId: 0, key: '', ctrlKey: false, metaKey: false, altKey: false, preventDefault: () => undefined, ...event };
    for (const listener of this.#listeners.get(type) ?? []) listener(full);
  }
  /** Only the selectors that the page uses: `.class`, `[data-x]`, `details:not([open])`, a tag, and lists of them. */
  matches(selector: string): boolean {
    return selector.split(',').map((part) => part.trim()).some((part) => {
      if (part === 'details:not([open])') return this.tag === 'details' && !this.open;
      if (part.startsWith('.')) return this.className.split(' ').includes(part.slice(1));
      if (part.startsWith('#')) return this.id === part.slice(1);
      if (part.startsWith('[')) return this.attributes.has(part.slice(1, -1));
      return this.tag === part;
    });
  }
  closest(selector: string): FakeElement | null {
    return this.matches(selector) ? this : (this.parent?.closest(selector) ?? null);
  }
  querySelectorAll(selector: string): FakeElement[] {
    return this.children.flatMap((child) => (typeof child === 'string' ? [] : [...(child.matches(selector) ? [child] : []), ...child.querySelectorAll(selector)]));
  }
  querySelector(selector: string): FakeElement | null {
    return this.querySelectorAll(selector)[0] ?? null;
  }
  getBoundingClientRect(): Box {
    return { left: 0, top: 0, width: this.clientWidth, height: 100 };
  }
  scrollIntoView(): void {}
  setPointerCapture(): void {}
}

export interface FakeBrowser {
  window: Window;
  root: FakeElement;
  byId(id: string): FakeElement;
  /** Clicks like a reader: the element's own listeners, then those of the document. */
  click(element: FakeElement): void;
}

/** A browser whose document has the elements with an id of this HTML (without their nesting), and its report data. */
export function fakeBrowser(html: string): FakeBrowser {
  const root = new FakeElement('html');
  const documentElement = new FakeElement('document');
  const ids = new Map<string, FakeElement>();
  for (const match of html.matchAll(/<(\w+)[^>]*?\sid="([^"]+)"/g)) {
    const element = new FakeElement(match[1]!);
    element.id = match[2]!;
    ids.set(element.id, element);
  }
  for (const match of html.matchAll(/<script type="application\/json" id="([^"]+)">(.*?)<\/script>/gs)) ids.get(match[1]!)!.textContent = match[2]!;
  const crosshair = ids.get('crosshair');
  crosshair?.append(new FakeElement('span'));

  const document: Document = {
    body: root as unknown as Element,
    documentElement: root as unknown as Element,
    createElement: (tag) => new FakeElement(tag) as unknown as Element,
    createElementNS: (_namespace, tag) => new FakeElement(tag) as unknown as Element,
    getElementById: (id) => (ids.get(id) ?? null) as unknown as Element | null,
    querySelectorAll: () => [],
    createRange: () => ({ selectNodeContents: () => undefined }),
    execCommand: () => false,
    addEventListener: (type, listener) => documentElement.addEventListener(type, listener),
  };
  const window: Window = {
    document,
    devicePixelRatio: 1,
    innerWidth: 1_400,
    innerHeight: 900,
    location: { hash: '' },
    history: { replaceState: () => undefined },
    navigator: {},
    ResizeObserver: class {
      observe(): void {}
    },
    getComputedStyle: () => ({ getPropertyValue: () => '#123456' }),
    getSelection: () => null,
    matchMedia: () => ({ addEventListener: () => undefined }),
    requestAnimationFrame: (callback) => {
      queueMicrotask(callback);
      return 0;
    },
    setTimeout: () => 0,
    addEventListener: () => undefined,
  };
  return {
    window, root,
    byId: (id) => ids.get(id)!,
    click(element) {
      element.send('click');
      documentElement.send('click', { target: element as unknown as Element });
    },
  };
}

/** Stands in for uPlot: remembers what it was given and maps values linearly. */
export class FakePlot {
  static made: FakePlot[] = [];
  readonly options: { width: number; height: number; hooks: Record<string, ((plot: FakePlot) => void)[]> };
  readonly columns: readonly number[][];
  readonly over = new FakeElement('div');
  readonly bbox = { left: 0, top: 0, width: 1_000, height: 200 };
  readonly select = { left: 0, top: 0, width: 0, height: 0 };
  /** Names of drawing calls, in order. */
  readonly calls: string[] = [];
  readonly ctx: unknown;
  xRange = { min: 0, max: 1 };

  constructor(options: FakePlot['options'], columns: readonly number[][], target: FakeElement) {
    this.options = options;
    this.columns = columns;
    const { calls } = this;
    this.ctx = new Proxy({}, {
      get: (_target, name) => (name === 'measureText' ? () => ({ width: 40 }) : (...values: unknown[]) => void calls.push([String(name), ...values].join(' '))),
    });
    target.append(new FakeElement('canvas'));
    FakePlot.made.push(this);
  }
  setScale(_name: string, range: { min: number; max: number }): void {
    this.xRange = range;
    for (const name of ['drawClear', 'draw']) for (const hook of this.options.hooks[name] ?? []) hook(this);
  }
  setSize(): void {}
  setSelect(): void {}
  setSeries(): void {}
  redraw(): void {}
  destroy(): void {}
  posToVal(position: number): number {
    return this.xRange.min + (position / 1_000) * (this.xRange.max - this.xRange.min);
  }
  valToPos(value: number, scale: string): number {
    return scale === 'x' ? ((value - this.xRange.min) / (this.xRange.max - this.xRange.min)) * 1_000 : 100;
  }
}
