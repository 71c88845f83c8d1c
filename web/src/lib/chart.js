// How a chart of the API becomes lines of uPlot. Pure: no page, no clock.

/**
 * Lays out charts over one time axis for uPlot.
 * Each chart gives its band's low and high and its value. One that is drawn
 * downwards is negated, and multiplied by the factor.
 * @param {Array<{times: number[], values: (number|null)[], low: (number|null)[], high: (number|null)[], direction: string}>} charts
 * @returns {{data: Array, series: Array<{chart: number, kind: string}>, bands: Array<[number, number]>}}
 */
export function layout(charts, factor = 1) {
  const times = charts[0]?.times ?? []
  const data = [times]
  const series = [{ chart: -1, kind: 'time' }]
  const bands = []
  charts.forEach((c, k) => {
    const sign = c.direction === 'down' ? -1 : 1
    const turn = (list) => (sign < 0 ? list.map((v) => (v == null ? null : -v * factor)) : list)
    if (hasBand(c)) {
      data.push(turn(c.low), turn(c.high))
      series.push({ chart: k, kind: 'low' }, { chart: k, kind: 'high' })
      const [lower, upper] = [data.length - 2, data.length - 1]
      bands.push(sign < 0 ? [lower, upper] : [upper, lower])
    }
    data.push(turn(c.values))
    series.push({ chart: k, kind: 'value' })
  })
  return { data, series, bands }
}

/**
 * A chart with at most n points: of each piece the value that lies far outside
 * the normal range, or where none does the middle one. All values are ones
 * that were measured.
 */
export function coarser(c, n) {
  const step = Math.ceil(c.times.length / n)
  if (step <= 1) return c
  const out = { ...c, times: [], values: [], low: [], high: [] }
  const last = c.times.length - 1
  for (let from = 0; from <= last; from += step) {
    const end = Math.min(last, from + step - 1)
    const [low, high] = [c.low?.[end] ?? null, c.high?.[end] ?? null]
    out.times.push(c.times[end])
    out.low.push(low)
    out.high.push(high)
    out.values.push(telling(c.values.slice(from, end + 1), low, high))
  }
  return out
}

function telling(values, low, high) {
  const all = values.filter((v) => v != null).sort((a, b) => a - b)
  if (!all.length) return null
  if (low != null && high != null) {
    const far = (high - low) / 2
    if (all.at(-1) - high > far) return all.at(-1)
    if (low - all[0] > far) return all[0]
  }
  return all[Math.floor((all.length - 1) / 2)]
}

/**
 * Scales what is drawn downwards so that it fills its part of the height,
 * whatever is drawn upwards: failures are seen beside a hundred times as many
 * successes. Gives the factor and round marks for the axis.
 * @returns {{factor: number, min: number, max: number, splits: number[]}}
 */
export function mirror(charts, part = 0.42) {
  const most = (dir) => Math.max(0, ...charts.filter((c) => (c.direction === 'down') === dir).flatMap((c) => [...c.values, ...(c.high ?? [])].map((v) => v ?? 0)))
  const up = (most(false) || 1) * 1.08
  const down = (most(true) || 1) * 1.08
  const factor = ((up * part) / (1 - part)) / down
  const marks = (top, n) => {
    const step = round(top / n)
    return Array.from({ length: Math.floor(top / step) }, (_, k) => (k + 1) * step)
  }
  return { factor, min: -down * factor, max: up, splits: [...marks(down, 1.9).reverse().map((v) => -v * factor), 0, ...marks(up, 2.6)] }
}

// The round number at or above v: 1, 2, 2.5 or 5 times a power of ten.
function round(v) {
  const unit = 10 ** Math.floor(Math.log10(v))
  return unit * [1, 2, 2.5, 5, 10].find((m) => m * unit >= v * 0.999)
}

/** True when the normal range is known at any of the chart's times. */
export const hasBand = (c) => Boolean(c.high?.some((v) => v != null))

/** The values of a line from a moment on; null before. */
export function since(times, values, from, to = Infinity) {
  return values.map((v, k) => (times[k] >= from && times[k] <= to ? v : null))
}

/** Lays lines on each other: each becomes the sum of itself and those below. Unknown is unknown, and adds nothing. */
export function stack(lines) {
  const out = []
  let below = null
  for (const line of lines) {
    const base = below
    below = line.map((v, k) => (v == null ? (base?.[k] ?? null) : v + (base?.[k] ?? 0)))
    out.push(below)
  }
  return out
}

/** The greatest known value with its time, or null. */
export function peak(times, values) {
  let best = null
  values.forEach((v, k) => {
    if (v != null && (best === null || v > best.value)) best = { value: v, time: times[k] }
  })
  return best
}

/** Ends of the value axis: the data, the band and zero; capped so that one spike does not flatten the rest when asked. */
export function extent(data) {
  let [min, max] = [0, 0]
  for (const line of data) {
    for (const v of line) {
      if (v == null) continue
      if (v < min) min = v
      if (v > max) max = v
    }
  }
  if (min === 0 && max === 0) max = 1
  const room = (max - min) * 0.08
  return [min < 0 ? min - room : 0, max > 0 ? max + room : 0]
}

/** The area under a line of points, as an SVG path; none where nothing is known. */
export function area(values, width, height, top) {
  const n = Math.max(1, values.length - 1)
  const x = (k) => ((k / n) * width).toFixed(1)
  let from = -1
  return [...values, null]
    .map((v, k) => {
      if (v != null && from < 0) from = k
      if (v != null || from < 0) return ''
      const piece = values.map((v, i) => (i >= from && i < k ? v : null))
      const path = `${sparkline(piece, width, height, top)}L${x(k - 1)} ${height}L${x(from)} ${height}Z`
      from = -1
      return path
    })
    .join('')
}

/** A short line of points as an SVG path in a box of the given size; gaps where nothing is known. */
export function sparkline(values, width, height, top) {
  const max = top ?? Math.max(1, ...values.filter((v) => v != null))
  const n = Math.max(1, values.length - 1)
  let path = ''
  let open = false
  values.forEach((v, k) => {
    if (v == null) {
      open = false
      return
    }
    const x = ((k / n) * width).toFixed(1)
    const y = (height - (Math.min(v, max) / max) * height).toFixed(1)
    path += `${open ? 'L' : 'M'}${x} ${y}`
    open = true
  })
  return path
}

/** At most n values: the greatest of each piece. */
export function thin(values, n) {
  if (values.length <= n) return values
  const out = []
  for (let k = 0; k < n; k++) {
    let best = null
    const end = Math.floor(((k + 1) * values.length) / n)
    for (let i = Math.floor((k * values.length) / n); i < end; i++) {
      if (values[i] != null && (best === null || values[i] > best)) best = values[i]
    }
    out.push(best)
  }
  return out
}
