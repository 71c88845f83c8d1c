package qshape

import (
	"testing"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestFilter(t *testing.T) {
	m := mta.QueuedMessage{Queue: "deferred", QueueID: "A1B2C3D4E5", Sender: "Ann@example.org",
		Recipients: []mta.QueuedRecipient{{Address: "bob@Example.net"}, {Address: "dora@example.com"}}}
	bounce := mta.QueuedMessage{Queue: "active", QueueID: "B1B2C3D4E5"}
	tests := []struct {
		name   string
		f      Filter
		m      mta.QueuedMessage
		wanted bool
	}{
		{"all", Filter{}, m, true},
		{"queue", Filter{Queue: "deferred"}, m, true},
		{"other queue", Filter{Queue: "active"}, m, false},
		{"id", Filter{ID: "A1B2C3D4E5"}, m, true},
		{"id in other case", Filter{ID: "a1b2c3d4e5"}, m, false},
		{"sender", Filter{Sender: "<ann@example.ORG>"}, m, true},
		{"null sender", Filter{Sender: "<>"}, bounce, true},
		{"null sender of another", Filter{Sender: "<>"}, m, false},
		{"second destination", Filter{Destination: "EXAMPLE.com"}, m, true},
		{"other destination", Filter{Destination: "example.org"}, m, false},
		{"no recipients", Filter{Destination: "example.org"}, bounce, false},
		{"one of two is wrong", Filter{Queue: "deferred", ID: "x"}, m, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.f.Takes(tt.m); got != tt.wanted {
				t.Errorf("got %t, want %t", got, tt.wanted)
			}
		})
	}
}
