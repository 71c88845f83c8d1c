package diagnose

func daemonRules() []Rule { return nil }
