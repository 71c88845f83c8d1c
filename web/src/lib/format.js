// Numbers and times as people read them. What is not known (null, undefined,
// NaN, -1 where the API says so) is never a figure here: it is the word "unknown".

export const UNKNOWN = 'unknown'

/** True for a figure that is known. */
export const known = (n) => typeof n === 'number' && Number.isFinite(n)

/** A count with thin spaces between thousands: 12 345. */
export function count(n) {
  if (!known(n)) return UNKNOWN
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f')
}

/** A figure of any size with as many digits as tell something: 0.35, 4.2, 37, 12 345. */
export function figure(n) {
  if (!known(n)) return UNKNOWN
  const size = Math.abs(n)
  if (size >= 10 || Number.isInteger(n)) return (n < 0 ? '\u2212' : '') + count(size)
  const text = n.toFixed(size >= 1 ? 1 : 2)
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** "3–21", or "" when the range is not known. Its ends are rounded outwards. */
export function range(low, high) {
  if (!known(low) || !known(high)) return ''
  const step = high >= 10 ? 1 : high >= 1 ? 0.1 : 0.01
  const down = Math.max(0, Math.floor(low / step + 1e-9) * step)
  const up = Math.ceil(high / step - 1e-9) * step
  return figure(down) === figure(up) ? figure(up) : `${figure(down)}\u2013${figure(up)}`
}

/** A range of what is counted: whole numbers, rounded outwards, 3–21 of 3.4–20.6; what is normal never reads as if it were not. The commands do the same. */
export function wholes(low, high) {
  if (!known(low) || !known(high)) return ''
  const [down, up] = [Math.max(0, Math.floor(low + 1e-9)), Math.max(0, Math.ceil(high - 1e-9))]
  return up === down ? count(up) : `${count(down)}\u2013${count(up)}`
}

/** Bytes in the unit that fits: 27 kB. Below 0 the API says "unknown". */
export function bytes(n) {
  if (!known(n) || n < 0) return UNKNOWN
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let k = 0
  while (n >= 999.5 && k < units.length - 1) {
    n /= 1000
    k++
  }
  return `${n < 9.95 && k > 0 ? n.toFixed(1) : Math.round(n)}\u00a0${units[k]}`
}

/** A length of time in seconds, in its two largest units: 3h 20m. */
export function span(seconds) {
  if (!known(seconds)) return UNKNOWN
  const s = Math.max(0, Math.round(seconds))
  const d = Math.floor(s / 86400)
  const h = Math.floor((s % 86400) / 3600)
  const m = Math.floor((s % 3600) / 60)
  if (d > 0) return d < 10 && h > 0 ? `${d}d ${h}h` : `${d}d`
  if (h > 0) return m > 0 ? `${h}h ${m}m` : `${h}h`
  if (m > 0) return m < 10 && s % 60 > 0 ? `${m}m ${s % 60}s` : `${m}m`
  return `${s}s`
}

const STEP = 300 // seconds: failures are counted in steps of 5 minutes

/**
 * Which time figures cover, in the words of the commands. now and since are
 * ms, window seconds; steps: why they may begin before the window is told too.
 */
export function cover(now, since, window, steps = true) {
  const covered = (now - since) / 1000
  if (!known(covered) || Math.abs(covered - window) < 1) return `in the last ${span(window)}`
  if (covered < window) return `in the last ${span(covered)} (nothing older is known)`
  return `since ${clock(since, now)}${steps ? ` (counted in steps of ${STEP / 60} minutes)` : ''}`
}

/** Milliseconds of an RFC 3339 time; NaN when there is none. */
export const at = (time) => (time ? Date.parse(time) : NaN)

const two = (n) => String(n).padStart(2, '0')
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** The time of day here: 03:12:07, with a day where it is not today. */
export function clock(ms, now = Date.now(), seconds = true) {
  if (!known(ms)) return UNKNOWN
  const d = new Date(ms)
  const time = `${two(d.getHours())}:${two(d.getMinutes())}${seconds ? ':' + two(d.getSeconds()) : ''}`
  if (d.toDateString() === new Date(now).toDateString()) return time
  return `${DAYS[d.getDay()]} ${d.getDate()} ${MONTHS[d.getMonth()]} ${time}`
}

/** A time with date and zone, as nobody can misread it: 2026-11-27 03:12:07 +0100. */
export function absolute(ms) {
  if (!known(ms)) return UNKNOWN
  const d = new Date(ms)
  const zone = -d.getTimezoneOffset()
  const sign = zone < 0 ? '-' : '+'
  const z = Math.abs(zone)
  return (
    `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
    `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ` +
    `${sign}${two(Math.floor(z / 60))}${two(z % 60)}`
  )
}

/** "1 message", "2 messages", "unknown messages". */
export const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`

/** Text with `commands` in it, as pieces: [{text, code}]. */
export function pieces(text) {
  return String(text ?? '')
    .split(/`([^`]+)`/)
    .map((part, k) => ({ text: part, code: k % 2 === 1 }))
    .filter((p) => p.text !== '')
}
