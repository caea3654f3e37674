"""Channel coding and reproducible tables: CRC, LDPC, LFSR, permutations."""
