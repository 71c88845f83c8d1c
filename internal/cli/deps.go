package cli

import "github.com/mtawatch/mtawatch/internal/app"

// appDeps is what Main works with.
func appDeps() Deps { return Deps{Daemon: app.Run, Look: app.Look} }
