// Package jobs is the Job Controller: it knows the queued messages and starts the channel
// programs that deliver them; and the words by which others tell it.
package jobs
