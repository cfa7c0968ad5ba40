/**
 * `target` with some of its methods replaced. Everything else goes to it as before, also what its methods call
 * on `this`: a replacement is seen by callers from outside only.
 */
export function override<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (real, property) => {
      if (property in methods) return Reflect.get(methods, property) as unknown;
      const value: unknown = Reflect.get(real, property, real);
      return typeof value === 'function' ? (value.bind(real) as unknown) : value;
    },
  });
}
