package diagnose

func failureRules() []Rule { return nil }
