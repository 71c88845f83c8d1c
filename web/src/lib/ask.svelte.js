import { get } from './api.js'

/** A question that is put again whenever what it depends on changes. */
class Answer {
  data = $state.raw(null) // the last answer to this question
  error = $state.raw(null)
  loading = $state(true) // the first answer has not come
}

/**
 * Makes an Answer; to be called while a component starts.
 * @param {() => [string, object]|null} question path and parameters; null: nothing to ask
 * @param {() => unknown} [again] read for what it depends on: when that changes the same question is put again
 */
export function ask(question, again = () => 0) {
  const answer = new Answer()
  let last = ''
  $effect(() => {
    again()
    const q = question()
    if (!q) return
    const key = JSON.stringify(q)
    if (key !== last) {
      last = key
      answer.loading = true
      answer.data = null
      answer.error = null
    }
    const stop = new AbortController()
    get(q[0], q[1], stop.signal).then(
      (data) => {
        answer.data = data
        answer.error = null
        answer.loading = false
      },
      (error) => {
        if (error.name === 'AbortError') return
        answer.error = error
        answer.loading = false
      },
    )
    return () => stop.abort()
  })
  return answer
}
