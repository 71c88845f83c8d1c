// Package lab is the practice MTA: an MTA in the shape of the Sun Java System
// Messaging Server, for practice and tests on one machine. The rooms below hold
// its parts; this package lists its programs and starts the whole.
package lab
