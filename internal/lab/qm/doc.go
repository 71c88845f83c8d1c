// Package qm holds the verbs of imsimta qm, and of its companions: counters, process, cache.
package qm
