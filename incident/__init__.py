"""What happened in an incident, on one page: who was notified of what and when, what moved, which lines say why.

`when` reads FROM and TO, `place` says who is asked, `facts` decides in plain functions, `found` asks and puts together,
`page` writes.
"""
