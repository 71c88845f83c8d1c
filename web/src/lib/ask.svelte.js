import { get } from './api.js'

/** A question that is put again whenever what it depends on changes. */
class Answer {
  data = $state.raw(null) // the last answer to this question
  error = $state.raw(null)
  loading = $state(true) // the first answer has not come
  took = 0 // ms that the last one took
}

/**
 * Makes an Answer; to be called while a component starts.
 * @param {() => [string, object]|null} question path and parameters; null: nothing to ask
 * @param {() => unknown} [again] read for what it depends on: when that changes the same question is put again
 */
export function ask(question, again = () => 0) {
  const answer = new Answer()
  let key = ''
  let stop = null // of the question that is under way
  let more = false // it is to be put again when its answer has come

  function put(q) {
    const mine = (stop = new AbortController())
    const begin = performance.now()
    more = false
    const over = (data, error) => {
      if (mine !== stop) return
      stop = null
      answer.took = performance.now() - begin
      if (!error) answer.data = data
      answer.error = error
      answer.loading = false
      if (more) put(q)
    }
    get(q[0], q[1], mine.signal).then((data) => over(data, null), (error) => over(null, error))
  }

  $effect(() => {
    again()
    const q = question()
    if (!q) return
    const k = JSON.stringify(q)
    if (k === key && stop) {
      more = true // to give up what is under way would, of a slow daemon, leave no answer ever
      return
    }
    if (k !== key) {
      key = k
      stop?.abort()
      answer.loading = true
      answer.data = null
      answer.error = null
    }
    put(q)
  })
  $effect(() => () => {
    stop?.abort()
    stop = null
  })
  return answer
}
