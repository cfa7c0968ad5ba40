/**
 * Numbers in words. Each function stands alone (no imports, no module state): the report's page carries
 * their source, so that a value reads the same in the terminal, in a table and in a tooltip.
 */

/** A length of time, microseconds: `840 µs`, `12.3 ms`, `1.83 s`, `2 min 05 s`. */
export function formatSpan(us: number): string {
  if (!Number.isFinite(us)) return '–';
  const sign = us < 0 ? '−' : '';
  const abs = Math.abs(us);
  const digits = (value: number): string => (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0));
  if (abs === 0) return '0';
  if (abs < 999.5) return `${sign}${abs < 10 && !Number.isInteger(abs) ? abs.toFixed(1) : abs.toFixed(0)} µs`;
  if (abs < 999_500) return `${sign}${digits(abs / 1e3)} ms`;
  if (abs < 119_950_000) return `${sign}${digits(abs / 1e6)} s`;
  const seconds = Math.round(abs / 1e6);
  if (seconds < 7_200) return `${sign}${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${sign}${Math.floor(seconds / 3_600)} h ${String(Math.floor((seconds % 3_600) / 60)).padStart(2, '0')} min`;
}

/** A moment, microseconds since the run's start, in seconds with millisecond digits: `12.345 s`. */
export function formatMoment(us: number): string {
  return Number.isFinite(us) ? `${(us / 1e6).toFixed(3)} s` : '–';
}

/** A count with thousands separators, always in the same notation whatever the locale: `1,204,332`. */
export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return '–';
  const text = Number.isInteger(count) ? String(count) : String(Math.round(count * 1_000) / 1_000);
  const [whole, fraction] = text.split('.');
  const grouped = (whole ?? '').replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Bytes in binary units: `512 B`, `4.0 KiB`, `1.2 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 ? String(value) : value.toFixed(value < 100 ? 1 : 0)} ${units[unit]!}`;
}
