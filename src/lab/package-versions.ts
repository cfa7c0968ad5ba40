/** The versions of these packages, as far as an image has them: components of what is under test. */
export function versionsOf(packages: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (packages[name] === undefined ? [] : [[name, packages[name]]])));
}
