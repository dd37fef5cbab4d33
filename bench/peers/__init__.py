"""The same small fold in other frameworks: what `bench.cluster peers` compares with."""
