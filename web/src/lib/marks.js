import { at } from './format.js'
import { rank, signOf } from './words.js'

const touches = (sign, f) => signOf(f.code) === sign || (f.folded ?? []).some((c) => signOf(c.code) === sign)

/** The incidents of a sign as marks of a chart: {from, to, level}, in Unix seconds; to is 0 while one is open. */
export function marksOf(sign, open, past, instance) {
  const mine = (list) => (list ?? []).filter((f) => (!f.instance || f.instance === instance) && rank(f.severity) > 1 && touches(sign, f))
  return [
    ...mine(open).map((f) => ({ from: at(f.since) / 1000, to: 0, level: f.severity })),
    ...mine(past).map((f) => ({ from: at(f.since) / 1000, to: at(f.end) / 1000, level: f.severity })),
  ]
}
