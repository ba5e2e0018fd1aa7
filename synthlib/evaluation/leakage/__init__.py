"""What a synthetic table gives away of people: attacks, controls that show what an attack can see, audits."""
