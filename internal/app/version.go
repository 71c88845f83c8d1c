package app

import "github.com/mtawatch/mtawatch/internal/api"

// Version is of the running binary.
func Version() api.Version { return api.BuildVersion() }
