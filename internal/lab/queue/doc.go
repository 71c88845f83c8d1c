// Package queue keeps the queue files of the channels: queue/CHANNEL/NNN/ZZxxxx.00. A
// message that was accepted is on the disk before its acceptance is told, and
// no crash at any instant loses it.
package queue
