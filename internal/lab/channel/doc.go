// Package channel holds the channel programs: what takes messages from the queue and delivers them.
package channel
