// Package jobs is the Job Controller: it knows the queued messages and starts the channel
// programs that deliver them; and the words by which others tell it.
//
// In: what enqueuers tell over TCP on loopback, and, at its start, at each
// SYNCH_TIME and when asked, the queue directories themselves: the disk is the
// truth, what is told only makes it quick. Out: messages handed to channel
// programs, each to one at a time.
//
// It keeps nothing that matters: killed and started again it goes on. Of the
// programs it starts each ends by itself once the controller is gone, after
// the messages in its hands.
//
// A channel that was stopped stays so over restarts: its name is a line of
// BASE/data/stopped_channels (StoppedFile), a file outside the queue tree that
// is absent or empty when nothing is stopped.
package jobs
