package mta

import "net/netip"

// Reading is what judgement gets of one moment: the samples, and what no
// series carries.
type Reading struct {
	Tick
	// Sources are the inbound connections by remote address and port, the
	// largest first; bounded. SourcesKnown says that they were read at all.
	Sources      []SourceCount
	SourcesKnown bool
	// LogOnly: all of it was rebuilt from log lines. Nothing was measured
	// beside them, so no part can contradict another.
	LogOnly bool
}

// SourceCount is the present connections of one remote address.
type SourceCount struct {
	Address netip.Addr
	Port    uint16 // local; 0: not told
	Count   int
}

// Probe is the last outcome of one active check that costs nothing and
// touches no one else: "dns" asks the host's own resolver, "smtp" reads the
// banner of an own listening port. Its series is mtawatch_probe_up{probe}.
type Probe struct {
	Name   string `json:"name"`
	Target string `json:"target"` // what was asked
	OK     bool   `json:"ok"`
	Text   string `json:"text"` // what was answered, or the error
}
