package cli

// appDeps is what Main works with: package app is plugged in here.
func appDeps() Deps { return Deps{} }
