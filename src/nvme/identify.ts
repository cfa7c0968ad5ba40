/** Identify data structures: CNS 00h, 01h, 02h, 03h. */
export * from './identify-controller.js';
export * from './identify-namespace.js';
export * from './identify-lists.js';
