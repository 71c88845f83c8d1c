import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, clock, count, cover, figure, pieces, plural, range, span, wholes } from '../../src/lib/format.js'

test('what is not known is a word, never a figure', () => {
  for (const f of [count, figure, bytes, span, clock]) for (const v of [null, undefined, NaN]) assert.equal(f(v), 'unknown')
  assert.equal(bytes(-1), 'unknown')
  assert.equal(plural(null, 'message'), 'unknown messages')
  assert.equal(range(null, 3), '')
})

test('figures', () => {
  assert.equal(count(12345), '12\u202f345')
  assert.equal(figure(0.346), '0.35')
  assert.equal(figure(4.04), '4')
  assert.equal(figure(-3), '\u22123')
  assert.equal(range(3.46, 20.58), '3\u201321')
  assert.equal(wholes(3.46, 20.58), '3\u201321')
  assert.equal(wholes(0, 0.34), '0\u20131')
  assert.equal(wholes(2.0000000001, 5.9999999999), '2\u20136')
  assert.equal(wholes(0, 0), '0')
  assert.equal(bytes(999_600), '1.0\u00a0MB')
})

test('spans', () => {
  assert.equal(span(0), '0s')
  assert.equal(span(83), '1m 23s')
  assert.equal(span(3600 * 3 + 1200), '3h 20m')
  assert.equal(span(86400 * 13 + 3600 * 2), '13d')
})

test('a sentence is cut into text and commands', () => {
  assert.deepEqual(pieces('run `a b`, then `c`'), [
    { text: 'run ', code: false }, { text: 'a b', code: true }, { text: ', then ', code: false }, { text: 'c', code: true },
  ])
  assert.deepEqual(pieces('a ` alone'), [{ text: 'a ` alone', code: false }])
})

test('the time that figures cover is told as the commands tell it', () => {
  const now = Date.parse('2026-11-23T12:00:00Z')
  const ago = (s) => now - s * 1000
  assert.equal(cover(now, ago(443), 3600), 'in the last 7m 23s (nothing older is known)')
  assert.equal(cover(now, ago(3600), 3600), 'in the last 1h')
  assert.equal(cover(now, NaN, 3600), 'in the last 1h')
  assert.equal(cover(now, ago(3840), 3600), `since ${clock(ago(3840), now)} (counted in steps of 5 minutes)`)
  assert.equal(cover(now, ago(3840), 3600, false), `since ${clock(ago(3840), now)}`)
})
