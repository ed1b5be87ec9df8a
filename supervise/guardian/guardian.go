package guardian

type guardian struct{}

func newGuardian(Options) (*guardian, error) { return &guardian{}, nil }

func (g *guardian) loop() int { return 0 }
