// Package dispatcher accepts connections and hands them to its server processes.
package dispatcher
