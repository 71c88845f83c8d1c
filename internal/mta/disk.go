package mta

import "time"

// Disk is the space of one file system at one moment.
type Disk struct {
	Time       time.Time
	Free, Size uint64 // bytes that an ordinary user may still write, and in all
	FreeInodes uint64 // files that may still be made
	Inodes     uint64 // in all; 0: the file system does not count them
}
