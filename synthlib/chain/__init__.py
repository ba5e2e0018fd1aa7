"""What is recorded, and how anybody checks it: commitments, a chain, its registry, journals, verification."""
