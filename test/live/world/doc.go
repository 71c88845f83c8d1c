// Package world makes a sealed piece of machine for live tests, drills and
// measurements: fresh network, mount, process and host-name namespaces in
// which real mail servers run against a pretend Internet.
//
// In go the commands of a test (send these messages, rotate that log, stop
// this process); out come real log files, queues, sockets and processes. It
// promises that nothing outlives the program that entered, that no packet
// leaves the machine, and that a server that cannot start is an error and
// never a silent gap.
//
// Two networks stand inside: the mail server's own (10.77.0.1, where the
// calling program lives) and the outside (10.77.0.2, all of 10.77.1.0/24 as
// remote mail hosts and clients, all of 10.77.2.0/23 as many more clients),
// joined by a veth pair.
package world
