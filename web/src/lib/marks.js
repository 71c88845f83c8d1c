import { at } from './format.js'
import { rank, signOf } from './words.js'

const touches = (sign, f) => signOf(f.code) === sign || (f.folded ?? []).some((c) => signOf(c.code) === sign)

/**
 * Where a mark stands in a plot that begins at left: {x, w}, never outside of
 * it and never narrower than least; null when nothing of it is in the plot.
 * from and to are in the units of left and width; to is Infinity while it is open.
 */
export function within(from, to, left, width, least) {
  const end = left + width
  if (!(to >= left && from <= end)) return null
  const w = Math.min(width, Math.max(least, Math.min(end, to) - Math.max(left, from)))
  return { x: Math.min(Math.max(left, from), end - w), w }
}

/** The incidents of a sign as marks of a chart: {from, to, level}, in Unix seconds; to is 0 while one is open. */
export function marksOf(sign, open, past, instance) {
  const mine = (list) => (list ?? []).filter((f) => (!f.instance || f.instance === instance) && rank(f.severity) > 1 && touches(sign, f))
  return [
    ...mine(open).map((f) => ({ from: at(f.since) / 1000, to: 0, level: f.severity })),
    ...mine(past).map((f) => ({ from: at(f.since) / 1000, to: at(f.end) / 1000, level: f.severity })),
  ]
}
