package imta

import (
	"context"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Adapter is the MTA of the Sun, iPlanet and Oracle Messaging Server.
var Adapter = adapter.Adapter{
	Name:   "imta",
	Detect: detect,
	Parser: newParser,
}

func detect(context.Context, adapter.Host) ([]mta.Instance, error) { return nil, nil }
