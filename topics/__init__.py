"""The nouns: what travels on Kafka. Imports none of ours."""
