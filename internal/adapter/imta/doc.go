// Package imta reads the MTA of Sun Java System, iPlanet and Oracle Messaging Server, and
// of its ancestor PMDF. In goes what adapter.Host shows of the machine; out come
// instances, queue counts, queue listings, events, roles and conditions.
// Nothing is changed, and no file of the queue is opened.
package imta
