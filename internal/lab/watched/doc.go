// Package watched runs mtawatch on a practice MTA: a daemon as a child process
// with a configuration and a data directory of its own, and the questions that
// are put to it.
package watched
