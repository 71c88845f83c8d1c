package diagnose

func connectionRules() []Rule { return nil }
