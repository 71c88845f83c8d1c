// Package all lists the adapters: one line for each mail server that
// mtawatch knows. In goes a name; out comes the adapter.
package all

import (
	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/imta"
	"github.com/mtawatch/mtawatch/internal/adapter/postfix"
)

// Adapters gives every adapter, in the order in which they are tried.
func Adapters() []adapter.Adapter {
	return []adapter.Adapter{
		postfix.Adapter,
		imta.Adapter,
	}
}

// ByName gives the adapter with this name; false when there is none.
func ByName(name string) (adapter.Adapter, bool) {
	for _, a := range Adapters() {
		if a.Name == name {
			return a, true
		}
	}
	return adapter.Adapter{}, false
}
