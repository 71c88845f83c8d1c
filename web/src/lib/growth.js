import { known } from './format.js'

/**
 * How a count has changed: {arrow, text, big}. Unknown is no change of its
 * own: what was outside the table then has no arrow.
 */
export function growth(now, then) {
  if (!known(now) || !known(then)) return { arrow: '', text: 'not known then', big: false }
  const d = Math.round(now - then)
  if (d === 0) return { arrow: '', text: 'as before', big: false }
  const big = Math.abs(d) >= 10 && Math.abs(d) >= then * 0.5
  const arrow = d > 0 ? (big ? '\u25b2' : '\u25b4') : big ? '\u25bc' : '\u25be'
  return { arrow, text: `${d > 0 ? '+' : '\u2212'}${Math.abs(d)}`, big }
}
