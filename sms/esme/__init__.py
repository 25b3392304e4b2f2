"""The SMPP server's messages: customers and carriers bind to us (ESMEs, SMPP 3.4 §2), we are their SMSC.

`sms.smpp` moves the PDUs and keeps to the accounts' limits; here is what becomes of them.
"""
