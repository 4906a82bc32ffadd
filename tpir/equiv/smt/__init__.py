"""The symbolic prover: programs as circuits over all inputs of one length, for SAT and SMT."""
